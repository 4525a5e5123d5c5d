// The stand-in interpreter asks the test, see README.md.
#include <unistd.h>

#include <cstdlib>

#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

STANDIN_BEGIN

namespace {

void Say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  DebugLog(format, arguments);
  va_end(arguments);
}

bool Whole(ssize_t (*move)(int, char*, size_t), int descriptor, char* bytes, size_t size) {
  while (size) {
    const ssize_t moved = move(descriptor, bytes, size);
    if (moved <= 0) return false;
    bytes += moved;
    size -= static_cast<size_t>(moved);
  }
  return true;
}

bool Aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

}  // namespace

MicroInterpreter::MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver,
                                   uint8_t* tensor_arena, size_t tensor_arena_size,
                                   MicroResourceVariables*, MicroProfilerInterface*, bool)
    : model_(model),
      op_resolver_(op_resolver),
      arena_(tensor_arena),
      arena_size_(tensor_arena_size) {}

TfLiteStatus MicroInterpreter::AllocateTensors() {
  if (!Aligned(model_) || !Aligned(arena_) || !op_resolver_.Exact()) return kTfLiteError;
  if (arena_size_ < STANDIN_ARENA) {
    Say("The arena is too small: %u bytes are missing\n", unsigned(STANDIN_ARENA - arena_size_));
    return kTfLiteError;
  }
  input_.type = STANDIN_INPUT_TYPE;
  input_.bytes = STANDIN_INPUT_BYTES;
  input_.data.data = arena_;
  output_.type = STANDIN_OUTPUT_TYPE;
  output_.bytes = STANDIN_OUTPUT_BYTES;
  output_.data.data = arena_ + (STANDIN_INPUT_BYTES + 15) / 16 * 16;
  return kTfLiteOk;
}

TfLiteStatus MicroInterpreter::Invoke() {
  const auto write_all = [](int fd, char* bytes, size_t size) { return write(fd, bytes, size); };
  const auto read_all = [](int fd, char* bytes, size_t size) { return read(fd, bytes, size); };
  const int ask = std::atoi(std::getenv("STANDIN_ASK"));
  char* input = static_cast<char*>(input_.data.data);
  char* output = static_cast<char*>(output_.data.data);
  const bool well = Whole(write_all, ask, input, input_.bytes) &&
                    Whole(read_all, STDIN_FILENO, output, output_.bytes);
  return well ? kTfLiteOk : kTfLiteError;
}

TfLiteTensor* MicroInterpreter::input(size_t) { return &input_; }
TfLiteTensor* MicroInterpreter::output(size_t) { return &output_; }

STANDIN_END
