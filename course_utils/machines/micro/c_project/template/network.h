/* The network: write its input, run it, read its output. Made for one network by export_c. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#define INPUT_SIZE @{input_size} /* @{input_shape} */
#define OUTPUT_SIZE @{output_size}
#define LAYER_COUNT @{layer_count}
#define ARENA_BYTES @{arena_bytes} /* all the memory that is written while it runs, but the stack */

typedef @{number} Number;

/* Where the input is written and the output is read. They share their memory with what the layers
   compute: after network_run() the input is gone. It runs the layers 0, 1, ... LAYER_COUNT - 1. */
Number *network_input(void);
const Number *network_output(void);
void network_run(void);
void network_layer(int number);

#endif
