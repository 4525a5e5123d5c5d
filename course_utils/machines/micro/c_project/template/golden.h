/* @{golden_are} */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "kernels.h"
#include "network.h"

#define GOLDEN_COUNT @{golden_count}
#define TOLERANCE @{tolerance}

static const Number golden_inputs[GOLDEN_COUNT][INPUT_SIZE] FLASH = {
@{golden_inputs}
};
static const Number golden_outputs[GOLDEN_COUNT][OUTPUT_SIZE] FLASH = {
@{golden_outputs}
};

#endif
