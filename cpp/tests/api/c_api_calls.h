#ifndef PEEPHOLE_C_API_CALLS_H
#define PEEPHOLE_C_API_CALLS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x (n, 2) and y (n, 3) of the model in the file. */
void check_float(const char* path, const float* x, const float* y, size_t n);
void check_double(const void* file, size_t size, const double* x, const double* y, size_t n);
/* x (n, 2), and what the files make of it: y_nam (n, 1) and y_rtneural (n, 2). */
void check_foreign(const char* nam, const char* rtneural, const float* x, const float* y_nam,
                   const float* y_rtneural, size_t n);
/* A model of L = 2 with H = 5, 4 and P = 3, of metadata "name" and "sample_rate"; x (n, 2), y (n,
 * 3). */
void check_about(const char* path, const void* file, size_t size, const char* version);
void check_state(const char* path, const float* x, const float* y, size_t n);
void check_refusals(const char* bidirectional, const char* absent, const char* foreign);
int c_api_failures(void);

#ifdef __cplusplus
}
#endif

#endif
