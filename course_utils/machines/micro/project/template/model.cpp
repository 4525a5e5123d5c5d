// The .tflite file as an array. It is const: a microcontroller keeps it in flash, and TFLM reads
// the weights there, without a copy in RAM. TFLM wants it aligned to 16 bytes.
//
// SHA-256 @{sha256}
#include "model.h"

namespace @{name}_network {

alignas(16) const unsigned char kModel[] = {
@{model_bytes}
};
const unsigned int kModelSize = sizeof(kModel);

}  // namespace @{name}_network
