#ifndef PEEPHOLE_PEEPHOLE_H
#define PEEPHOLE_PEEPHOLE_H

/* A trained model, step by step, for C and for whatever calls C: Rust, Swift, Lua, C#, ctypes,
 * cffi.
 *
 * A model is loaded from a file that Python's save() or C++'s save() wrote, or from one of
 * NeuralAmpModeler or RTNeural, and keeps its state from step to step.
 *
 *   peephole_model* model = NULL;
 *   if (peephole_load("amp.safetensors", &model) != PEEPHOLE_OK) {
 *     fprintf(stderr, "%s\n", peephole_error());
 *     return 1;
 *   }
 *   while (read_sample(&x)) {
 *     peephole_step(model, &x, &y);
 *     write_sample(&y);
 *   }
 *   peephole_free(model);
 *
 * Dimensions: I inputs and O outputs of a step, n steps, L layers; layer k has H_k cells and P_k
 * values of h, which are H_k without a projection.
 *
 * Errors: no function throws. A function that returns a status changes nothing when it fails, and
 * leaves a text for peephole_error(). The others have no error but NULL, for which they return 0 or
 * NULL.
 *
 * Threads: one model belongs to one thread at a time; different ones, copies too, are independent
 * and may run at the same time. A step uses the caller's thread alone. The error text belongs to
 * the thread.
 *
 * Real time: stepping, processing, reset, the state and the sizes neither allocate, lock nor call
 * the system. Loading, copying and freeing do: to exchange the model of an audio thread, load the
 * new one on another thread, hand its pointer over, and free the old one on that thread.
 *
 * A NaN in x becomes part of the state: all later outputs may be NaN, until peephole_reset() or
 * peephole_set_state().
 */

/* Of <stddef.h> only size_t, where the compiler can do that: readers such as cffi need not
 * understand the rest. */
#define __need_size_t
#include <stddef.h>

#include "peephole/export.h"
#include "peephole/version.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peephole_model peephole_model;

/* What a call returns. */
typedef enum peephole_status {
  PEEPHOLE_OK = 0,
  PEEPHOLE_BAD_ARGUMENT =
      1,                    /* a null pointer, the wrong type of number, a size that is too large */
  PEEPHOLE_BAD_FILE = 2,    /* not a whole model file, or of a model that cannot run by steps */
  PEEPHOLE_CANNOT_READ = 3, /* the system's error */
  PEEPHOLE_NO_MEMORY = 4,
  PEEPHOLE_FAILED = 5,          /* anything else */
  PEEPHOLE_BAD_ENVIRONMENT = 6, /* PEEPHOLE_ISA, an environment variable, has a wrong value */
  PEEPHOLE_FULL = 7,            /* a pool has no free session */
  PEEPHOLE_BAD_SNAPSHOT = 8,    /* a damaged snapshot, or one of another model */
} peephole_status;

/* The text of the last call on this thread that failed, until the next one that fails: UTF-8, never
 * NULL, "" at first. */
PEEPHOLE_API const char* peephole_error(void);

/* The library's version, such as "0.1.0"; PEEPHOLE_VERSION_STRING is that of the header. */
PEEPHOLE_API const char* peephole_version(void);

/* --- Loading --- */

/* Loads the model in the file at `path` (UTF-8), or in the `size` bytes at `data` as the file would
 * have them, and sets *model to it, with its state at zeros or at the model's learned initial
 * state; to NULL where that fails. The bytes are not needed afterwards. A bidirectional model is
 * refused: it reads a sequence from its end, too. */
PEEPHOLE_API peephole_status peephole_load(const char* path, peephole_model** model);
PEEPHOLE_API peephole_status peephole_load_memory(const void* data, size_t size,
                                                  peephole_model** model);

/* The same for the files of other programs, as models of float: a NeuralAmpModeler file (.nam) of
 * the architecture LSTM, which starts from the state in the file, and an RTNeural JSON file of LSTM
 * layers and at most one dense layer. */
PEEPHOLE_API peephole_status peephole_load_nam(const char* path, peephole_model** model);
PEEPHOLE_API peephole_status peephole_load_nam_memory(const void* data, size_t size,
                                                      peephole_model** model);
PEEPHOLE_API peephole_status peephole_load_rtneural(const char* path, peephole_model** model);
PEEPHOLE_API peephole_status peephole_load_rtneural_memory(const void* data, size_t size,
                                                           peephole_model** model);

/* Sets *copy to a model of the same weights, which both share, in the same state, which each has
 * for itself from then on; to NULL where that fails. */
PEEPHOLE_API peephole_status peephole_copy(const peephole_model* model, peephole_model** copy);

/* Frees a model. NULL is ignored. */
PEEPHOLE_API void peephole_free(peephole_model* model);

/* --- What a model is. Texts are UTF-8, and live as long as the model. --- */

PEEPHOLE_API size_t peephole_input_size(const peephole_model* model);  /* I */
PEEPHOLE_API size_t peephole_output_size(const peephole_model* model); /* O */
PEEPHOLE_API size_t peephole_layers(const peephole_model* model);      /* L */
/* H_k and P_k of layer k = 0 .. L - 1; 0 for other layers. */
PEEPHOLE_API size_t peephole_hidden_size(const peephole_model* model, size_t layer);
PEEPHOLE_API size_t peephole_recurrent_size(const peephole_model* model, size_t layer);

/* 1 for a model of double, which goes with the functions _double; 0 for one of float. */
PEEPHOLE_API int peephole_is_double(const peephole_model* model);
/* The type of x, y and the state: "float32" or "float64". */
PEEPHOLE_API const char* peephole_dtype(const peephole_model* model);
/* The form of the file that it was loaded from: "peephole", "nam" or "rtneural". */
PEEPHOLE_API const char* peephole_format(const peephole_model* model);
/* The model's configuration as JSON, as peephole's files have it. */
PEEPHOLE_API const char* peephole_options(const peephole_model* model);

/* The texts that were stored in the file beside the model: by save(path, metadata={...}) of Python
 * or save(model, path, metadata) of C++; of a .nam file, its metadata and sample rate. NULL where
 * the file has no such text. */
PEEPHOLE_API const char* peephole_metadata(const peephole_model* model, const char* name);
/* How many there are, and the name of each: index = 0 .. count - 1, NULL for others. */
PEEPHOLE_API size_t peephole_metadata_count(const peephole_model* model);
PEEPHOLE_API const char* peephole_metadata_name(const peephole_model* model, size_t index);

/* The metadata "sample_rate" as a number, in Hz; 0 if the file has none, or no number above 0. */
PEEPHOLE_API double peephole_sample_rate(const peephole_model* model);

/* --- Computing --- */

/* One step: x (I,) is read, y (O,) overwritten. They may be the same where I = O, and may not
 * overlap otherwise. */
PEEPHOLE_API peephole_status peephole_step(peephole_model* model, const float* x, float* y);
PEEPHOLE_API peephole_status peephole_step_double(peephole_model* model, const double* x,
                                                  double* y);

/* n steps, one after the other: x (n, I) is read, y (n, O) overwritten; else as peephole_step. */
PEEPHOLE_API peephole_status peephole_process(peephole_model* model, const float* x, float* y,
                                              size_t n);
PEEPHOLE_API peephole_status peephole_process_double(peephole_model* model, const double* x,
                                                     double* y, size_t n);

/* --- The state --- */

/* Sets the state to where it was at first: zeros, or the learned initial state of a model or a
 * .nam file. NULL is ignored. */
PEEPHOLE_API void peephole_reset(peephole_model* model);

/* The values of a state: for each layer P_k of h, then H_k of c. */
PEEPHOLE_API size_t peephole_state_size(const peephole_model* model);
/* Copies the state out of the model or into it: state (peephole_state_size(model),), in the order
 * above. */
PEEPHOLE_API peephole_status peephole_get_state(const peephole_model* model, float* state);
PEEPHOLE_API peephole_status peephole_get_state_double(const peephole_model* model, double* state);
PEEPHOLE_API peephole_status peephole_set_state(peephole_model* model, const float* state);
PEEPHOLE_API peephole_status peephole_set_state_double(peephole_model* model, const double* state);

/* --- Many sessions on one model ---
 *
 * A pool of sessions: each has a state of its own, all share the weights of the model, and a call
 * advances any of them together. The results of a session are those of a model of its own.
 *
 *   peephole_sessions* pool = NULL;
 *   peephole_session ids[2];
 *   peephole_sessions_new(model, 1000, &pool);
 *   peephole_sessions_open(pool, &ids[0]);
 *   peephole_sessions_open(pool, &ids[1]);
 *   peephole_sessions_step(pool, ids, 2, x, y);
 *
 * A pool belongs to one thread at a time; different ones may run at the same time. All but _new and
 * _free neither allocate, lock nor call the system. A NaN in x stays in its session until that is
 * reset.
 */

typedef struct peephole_sessions peephole_sessions;

/* The id of a session: never negative, and never given to another session of the pool. */
typedef long long peephole_session;

/* Sets *sessions to a pool of at most `capacity` sessions, in 1..2^24, with the weights of `model`,
 * which is not changed and may be freed; to NULL where that fails. */
PEEPHOLE_API peephole_status peephole_sessions_new(const peephole_model* model, size_t capacity,
                                                   peephole_sessions** sessions);
/* Frees a pool. NULL is ignored. */
PEEPHOLE_API void peephole_sessions_free(peephole_sessions* sessions);

PEEPHOLE_API size_t peephole_sessions_capacity(const peephole_sessions* sessions);
/* The number of open sessions, and their ids: (count,), overwritten. */
PEEPHOLE_API size_t peephole_sessions_count(const peephole_sessions* sessions);
PEEPHOLE_API void peephole_sessions_ids(const peephole_sessions* sessions, peephole_session* ids);
/* 1 if the session is open, else 0. */
PEEPHOLE_API int peephole_sessions_contains(const peephole_sessions* sessions, peephole_session id);

/* Opens a session, whose state is zeros or the learned initial state, and sets *id. PEEPHOLE_FULL
 * if `capacity` sessions are open. */
PEEPHOLE_API peephole_status peephole_sessions_open(peephole_sessions* sessions,
                                                    peephole_session* id);
PEEPHOLE_API peephole_status peephole_sessions_close(peephole_sessions* sessions,
                                                     peephole_session id);
/* Sets the state of a session to what it was when opened. */
PEEPHOLE_API peephole_status peephole_sessions_reset(peephole_sessions* sessions,
                                                     peephole_session id);

/* One step of n sessions: ids (n,), different ones in any order, and x (n, I) are read, y (n, O) is
 * overwritten. y may be x where I = O, and may not overlap it otherwise. An id that is not open, or
 * comes again, is PEEPHOLE_BAD_ARGUMENT; the text has the id and its position. */
PEEPHOLE_API peephole_status peephole_sessions_step(peephole_sessions* sessions,
                                                    const peephole_session* ids, size_t n,
                                                    const float* x, float* y);
PEEPHOLE_API peephole_status peephole_sessions_step_double(peephole_sessions* sessions,
                                                           const peephole_session* ids, size_t n,
                                                           const double* x, double* y);

/* The same of blocks: x (n, steps, I) and y (n, steps, O). lengths (n,): the steps of each session,
 * 0..steps; what lies beyond is not read in x, and 0 in y. NULL: all have `steps`. */
PEEPHOLE_API peephole_status peephole_sessions_process(peephole_sessions* sessions,
                                                       const peephole_session* ids, size_t n,
                                                       const float* x, float* y, size_t steps,
                                                       const size_t* lengths);
PEEPHOLE_API peephole_status peephole_sessions_process_double(peephole_sessions* sessions,
                                                              const peephole_session* ids, size_t n,
                                                              const double* x, double* y,
                                                              size_t steps, const size_t* lengths);

/* Copies the state of a session out of the pool or into it: for each layer the values of h, then
 * those of c. */
PEEPHOLE_API peephole_status peephole_sessions_get_state(const peephole_sessions* sessions,
                                                         peephole_session id, float* state);
PEEPHOLE_API peephole_status peephole_sessions_get_state_double(const peephole_sessions* sessions,
                                                                peephole_session id, double* state);
PEEPHOLE_API peephole_status peephole_sessions_set_state(peephole_sessions* sessions,
                                                         peephole_session id, const float* state);
PEEPHOLE_API peephole_status peephole_sessions_set_state_double(peephole_sessions* sessions,
                                                                peephole_session id,
                                                                const double* state);

/* Copies all sessions, ids and states, to peephole_sessions_snapshot_size() bytes at `data`, which
 * a pool of the same model with no less capacity can restore, in another process too. A damaged
 * snapshot, or one of another model, is PEEPHOLE_BAD_SNAPSHOT. */
PEEPHOLE_API size_t peephole_sessions_snapshot_size(const peephole_sessions* sessions);
PEEPHOLE_API peephole_status peephole_sessions_snapshot(const peephole_sessions* sessions,
                                                        void* data);
PEEPHOLE_API peephole_status peephole_sessions_restore(peephole_sessions* sessions,
                                                       const void* data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
