// The network: the bytes of the .tflite file.
#pragma once

namespace @{name}_network {

extern const unsigned char kModel[];  // aligned to 16 bytes, in read-only memory (flash)
extern const unsigned int kModelSize;

}  // namespace @{name}_network
