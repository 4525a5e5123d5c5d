/* The network: its weights, the sizes of its layers, and where in the arena each layer's output
   lies. Made for one network by export_c; do not edit.@{ends_words} */
#include "network.h"

#include "kernels.h"

/* What lives at the same time lies side by side; what is no longer needed is written over:

@{plan} */
static union {
  int32_t aligned;
  Number numbers[@{arena_numbers}];
} arena;

@{layers}

Number *network_input(void) { return arena.numbers + @{input_offset}; }

const Number *network_output(void) { return arena.numbers + @{output_offset}; }

void network_layer(int number) {
  switch (number) {
@{calls}
  }
}

void network_run(void) {
  for (int number = 0; number < LAYER_COUNT; ++number) network_layer(number);
}
