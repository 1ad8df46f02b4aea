#ifndef PEEPHOLE_PEEPHOLE_H
#define PEEPHOLE_PEEPHOLE_H

/* A trained model, step by step, for C and for whatever calls C: Rust, Swift, Lua, C#, ctypes.
 *
 * A model is loaded from a file that Python's save() or C++'s save() wrote, or from one of
 * NeuralAmpModeler or RTNeural, and keeps its state from step to step. One model belongs to one
 * thread at a time; different ones, copies too, are independent.
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
 * Dimensions: I inputs and O outputs of a step, n steps. No function throws; stepping, reset and
 * the sizes neither allocate nor lock, and may run on a real-time thread.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peephole_model peephole_model;

/* What a call says; anything but PEEPHOLE_OK leaves a text for peephole_error(). */
typedef enum peephole_status {
  PEEPHOLE_OK = 0,
  PEEPHOLE_BAD_ARGUMENT = 1, /* a null pointer, or the wrong type of number */
  PEEPHOLE_BAD_FILE = 2,     /* not a whole model file, or of a model that cannot run by steps */
  PEEPHOLE_CANNOT_READ = 3,  /* the system's error */
  PEEPHOLE_NO_MEMORY = 4,
  PEEPHOLE_FAILED = 5,       /* anything else */
  PEEPHOLE_FULL = 7,         /* a pool has no free session */
  PEEPHOLE_BAD_SNAPSHOT = 8, /* a damaged snapshot, or one of another model */
} peephole_status;

/* Loads the model in the file at `path` (UTF-8), or in the `size` bytes at `data` as the file would
 * have them, and sets *model to it, with its state at zeros or at the model's learned initial
 * state; to NULL where that fails. A bidirectional model is refused: it reads a sequence from its
 * end, too. */
peephole_status peephole_load(const char* path, peephole_model** model);
peephole_status peephole_load_memory(const void* data, size_t size, peephole_model** model);

/* The same for the files of other programs, as models of float: a NeuralAmpModeler file (.nam) of
 * the architecture LSTM, which starts from the state in the file, and an RTNeural JSON file of LSTM
 * layers and at most one dense layer. */
peephole_status peephole_load_nam(const char* path, peephole_model** model);
peephole_status peephole_load_rtneural(const char* path, peephole_model** model);

/* Sets *copy to a model of the same weights, which both share, in the same state, which each has
 * for itself from then on; to NULL where that fails. */
peephole_status peephole_copy(const peephole_model* model, peephole_model** copy);

/* Frees a model. NULL is ignored. */
void peephole_free(peephole_model* model);

size_t peephole_input_size(const peephole_model* model);  /* I; 0 for NULL */
size_t peephole_output_size(const peephole_model* model); /* O; 0 for NULL */
/* 1 for a model of double, which goes with the functions _double; 0 for one of float. */
int peephole_is_double(const peephole_model* model);

/* In Hz, what a .nam file says of the sound that it was trained with; 0 where it says nothing, for
 * other files and for NULL. */
double peephole_sample_rate(const peephole_model* model);

/* One step: x (I,) is read, y (O,) overwritten. They may be the same where I = O, and may not
 * overlap otherwise. */
peephole_status peephole_step(peephole_model* model, const float* x, float* y);
peephole_status peephole_step_double(peephole_model* model, const double* x, double* y);

/* n steps, one after the other: x (n, I) is read, y (n, O) overwritten; else as peephole_step. */
peephole_status peephole_process(peephole_model* model, const float* x, float* y, size_t n);
peephole_status peephole_process_double(peephole_model* model, const double* x, double* y,
                                        size_t n);

/* Sets the state to where it was at first: zeros, or the learned initial state of a model or a
 * .nam file. NULL is ignored. */
void peephole_reset(peephole_model* model);

/* What the last call on this thread that failed said, until the next one that fails: UTF-8, never
 * NULL, "" at first. */
const char* peephole_error(void);

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
peephole_status peephole_sessions_new(const peephole_model* model, size_t capacity,
                                      peephole_sessions** sessions);
/* Frees a pool. NULL is ignored. */
void peephole_sessions_free(peephole_sessions* sessions);

size_t peephole_sessions_capacity(const peephole_sessions* sessions);
/* The number of open sessions, and their ids: (count,), overwritten. */
size_t peephole_sessions_count(const peephole_sessions* sessions);
void peephole_sessions_ids(const peephole_sessions* sessions, peephole_session* ids);
/* 1 if the session is open, else 0. */
int peephole_sessions_contains(const peephole_sessions* sessions, peephole_session id);

/* Opens a session, whose state is zeros or the learned initial state, and sets *id. PEEPHOLE_FULL
 * if `capacity` sessions are open. */
peephole_status peephole_sessions_open(peephole_sessions* sessions, peephole_session* id);
peephole_status peephole_sessions_close(peephole_sessions* sessions, peephole_session id);
/* Sets the state of a session to what it was when opened. */
peephole_status peephole_sessions_reset(peephole_sessions* sessions, peephole_session id);

/* One step of n sessions: ids (n,), different ones in any order, and x (n, I) are read, y (n, O) is
 * overwritten. y may be x where I = O, and may not overlap it otherwise. An id that is not open, or
 * comes again, is PEEPHOLE_BAD_ARGUMENT; the text has the id and its position. */
peephole_status peephole_sessions_step(peephole_sessions* sessions, const peephole_session* ids,
                                       size_t n, const float* x, float* y);
peephole_status peephole_sessions_step_double(peephole_sessions* sessions,
                                              const peephole_session* ids, size_t n,
                                              const double* x, double* y);

/* The same of blocks: x (n, steps, I) and y (n, steps, O). lengths (n,): the steps of each session,
 * 0..steps; what lies beyond is not read in x, and 0 in y. NULL: all have `steps`. */
peephole_status peephole_sessions_process(peephole_sessions* sessions, const peephole_session* ids,
                                          size_t n, const float* x, float* y, size_t steps,
                                          const size_t* lengths);
peephole_status peephole_sessions_process_double(peephole_sessions* sessions,
                                                 const peephole_session* ids, size_t n,
                                                 const double* x, double* y, size_t steps,
                                                 const size_t* lengths);

/* Copies the state of a session out of the pool or into it: for each layer the values of h, then
 * those of c. */
peephole_status peephole_sessions_get_state(const peephole_sessions* sessions, peephole_session id,
                                            float* state);
peephole_status peephole_sessions_get_state_double(const peephole_sessions* sessions,
                                                   peephole_session id, double* state);
peephole_status peephole_sessions_set_state(peephole_sessions* sessions, peephole_session id,
                                            const float* state);
peephole_status peephole_sessions_set_state_double(peephole_sessions* sessions, peephole_session id,
                                                   const double* state);

/* Copies all sessions, ids and states, to peephole_sessions_snapshot_size() bytes at `data`, which
 * a pool of the same model with no less capacity can restore, in another process too. A damaged
 * snapshot, or one of another model, is PEEPHOLE_BAD_SNAPSHOT. */
size_t peephole_sessions_snapshot_size(const peephole_sessions* sessions);
peephole_status peephole_sessions_snapshot(const peephole_sessions* sessions, void* data);
peephole_status peephole_sessions_restore(peephole_sessions* sessions, const void* data,
                                          size_t size);

#ifdef __cplusplus
}
#endif

#endif
