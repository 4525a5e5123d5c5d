// Stand-in, see README.md.
#pragma once

#include <cstdlib>

#include "tensorflow/lite/micro/micro_op_resolver.h"

#define TFLITE_SCHEMA_VERSION (3)

#ifndef STANDIN_USED
#define STANDIN_USED STANDIN_ARENA
#endif

namespace tflite {

struct Model {
  uint32_t version() const { return TFLITE_SCHEMA_VERSION; }
};

// The real one is an offset into the same bytes too.
inline const Model* GetModel(const void* data) { return static_cast<const Model*>(data); }

}  // namespace tflite

STANDIN_BEGIN

class MicroResourceVariables;
class MicroProfilerInterface;

class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver, uint8_t* tensor_arena,
                   size_t tensor_arena_size, MicroResourceVariables* resource_variables = nullptr,
                   MicroProfilerInterface* profiler = nullptr, bool preserve_all_tensors = false);

  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(size_t index);
  TfLiteTensor* output(size_t index);
  size_t arena_used_bytes() const { return STANDIN_USED; }

 private:
  const Model* model_;
  const MicroOpResolver& op_resolver_;
  uint8_t* arena_;
  size_t arena_size_;
  TfLiteTensor input_;
  TfLiteTensor output_;
};

STANDIN_END
