// Where TFLM's messages go in a build with plain TFLM: to standard output, with the self-test's.
// For a board whose printf leads nowhere, write to its serial port here.
#include "tensorflow/lite/micro/debug_log.h"

#include <stdio.h>

extern "C" void DebugLog(const char* format, va_list arguments) { vprintf(format, arguments); }

extern "C" int DebugVsnprintf(char* buffer, size_t size, const char* format, va_list arguments) {
  return vsnprintf(buffer, size, format, arguments);
}
