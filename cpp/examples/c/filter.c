/* Runs a model of one input and one output over numbers, as they come.
 *
 *   filter MODEL < in.txt > out.txt
 *
 * filter_ctypes.py and filter_cffi.py do the same from Python, without the package.
 */
#include <stdio.h>

#include "peephole/peephole.h"

static void describe(const peephole_model* model) {
  size_t i, layer;
  fprintf(stderr, "peephole %s: %s", peephole_version(), peephole_dtype(model));
  for (layer = 0; layer < peephole_layers(model); ++layer) {
    fprintf(stderr, ", %zu cells", peephole_hidden_size(model, layer));
  }
  for (i = 0; i < peephole_metadata_count(model); ++i) {
    const char* const name = peephole_metadata_name(model, i);
    fprintf(stderr, ", %s: %s", name, peephole_metadata(model, name));
  }
  fprintf(stderr, "\n");
}

int main(int count, char** arguments) {
  peephole_model* model = NULL;
  float x, y;
  if (count != 2) {
    fprintf(stderr, "usage: filter MODEL < in.txt > out.txt\n");
    return 2;
  }
  if (peephole_load(arguments[1], &model) != PEEPHOLE_OK) {
    fprintf(stderr, "%s\n", peephole_error());
    return 1;
  }
  if (peephole_input_size(model) != 1 || peephole_output_size(model) != 1) {
    fprintf(stderr, "%s: expected a model of one input and one output\n", arguments[1]);
    peephole_free(model);
    return 1;
  }
  describe(model);
  while (scanf("%f", &x) == 1) {
    if (peephole_step(model, &x, &y) != PEEPHOLE_OK) { /* a model of double */
      fprintf(stderr, "%s\n", peephole_error());
      peephole_free(model);
      return 1;
    }
    printf("%.9g\n", y);
  }
  peephole_free(model);
  return 0;
}
