#include "network.h"

#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

// TFLM's classes moved from the namespace tflite into tflite::micro in autumn 2026. Both are
// looked through below, so that this file compiles with either.
namespace tflite {
namespace micro {}
}  // namespace tflite

namespace @{name}_network {
namespace {

using namespace tflite;
using namespace tflite::micro;

alignas(16) uint8_t arena[kArenaSize];
MicroInterpreter* interpreter = nullptr;

// The operators of this network and no others: the code of all that TFLM has would fill the flash.
using Operators = MicroMutableOpResolver<@{operator_count}>;

bool Add(Operators& operators) {
  return @{add_operators};
}

}  // namespace

const char* Begin() {
  const Model* model = GetModel(kModel);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    return "this TFLM reads another version of the .tflite format";
  }
  static Operators operators;
  static const bool added = Add(operators);
  if (!added) return "an operator could not be added";

  static MicroInterpreter the_interpreter(model, operators, arena, kArenaSize);
  if (the_interpreter.AllocateTensors() != kTfLiteOk) {
    return "AllocateTensors failed; TFLM says why above. If memory is missing: enlarge kArenaSize";
  }
  const auto* input = the_interpreter.input(0);
  const auto* output = the_interpreter.output(0);
  if (input->type != @{input_type} || input->bytes != kInputSize * sizeof(InputCode) ||
      output->type != @{output_type} || output->bytes != kOutputSize * sizeof(OutputCode)) {
    return "the network's input or output is not what network.h says";
  }
  interpreter = &the_interpreter;
  return nullptr;
}

InputCode* Input() { return interpreter->input(0)->data.@{input_member}; }

bool Invoke() { return interpreter->Invoke() == kTfLiteOk; }

const OutputCode* Output() { return interpreter->output(0)->data.@{output_member}; }

bool Run(const float* input, float* output) {
  if (interpreter == nullptr) return false;
  InputCode* input_codes = Input();
  for (int i = 0; i < kInputSize; ++i) input_codes[i] = Quantize(input[i]);
  if (!Invoke()) return false;
  const OutputCode* output_codes = Output();
  for (int i = 0; i < kOutputSize; ++i) output[i] = Dequantize(output_codes[i]);
  return true;
}

size_t ArenaUsed() { return interpreter == nullptr ? 0 : interpreter->arena_used_bytes(); }

size_t ArenaEnough() {
  const size_t enough = (ArenaUsed() + 15) / 16 * 16 + kArenaToStart;
  return enough < kArenaSize ? enough : kArenaSize;  // which was enough: Begin has succeeded
}

}  // namespace @{name}_network
