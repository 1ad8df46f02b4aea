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
  PEEPHOLE_FAILED = 5 /* anything else */
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

#ifdef __cplusplus
}
#endif

#endif
