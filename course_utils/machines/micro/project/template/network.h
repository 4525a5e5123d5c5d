// Run the network in TensorFlow Lite Micro (TFLM).
#pragma once

#include <stddef.h>

#include "quantization.h"

namespace @{name}_network {

constexpr int kInputSize = @{input_size};  // @{input_shape}
constexpr int kOutputSize = @{output_size};  // @{output_shape}

// Bytes of RAM in which TFLM keeps the activations and its own records.
//
@{arena_comment}
constexpr size_t kArenaSize = @{arena_size};

// What TFLM takes at most beyond ArenaUsed() while it prepares the network.
//
@{start_comment}
constexpr size_t kArenaToStart = @{arena_to_start};

// Prepares the network; call it once. Returns nullptr when it is ready, else what went wrong.
const char* Begin();

// Runs the network on kInputSize real numbers; writes kOutputSize real numbers.
// Returns whether it worked.
bool Run(const float* input, float* output);

// The same by hand, in the network's own numbers and without a copy: write kInputSize codes to
// Input(), call Invoke(), read kOutputSize codes from Output(). All need a Begin() that succeeded.
// Input() must be written anew each time: TFLM uses its memory for something else meanwhile.
InputCode* Input();
bool Invoke();
const OutputCode* Output();

// How much of the arena is used, in bytes, once Begin has prepared the network. An arena of this
// size may be too small: while TFLM prepares a network it needs room that it then gives back.
size_t ArenaUsed();

// A kArenaSize with which Begin succeeds here: what is used and kArenaToStart, in steps of 16 bytes.
size_t ArenaEnough();

}  // namespace @{name}_network
