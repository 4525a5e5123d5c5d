// Stand-in, see README.md.
#pragma once

#include <cstddef>
#include <cstdint>

#define STANDIN_C_NAMES                                                                  \
  enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };                                 \
  enum TfLiteType { kTfLiteNoType = 0, kTfLiteFloat32 = 1, kTfLiteInt16 = 7, kTfLiteInt8 = 9 }; \
  union TfLitePtrUnion {                                                                 \
    float* f;                                                                            \
    int16_t* i16;                                                                        \
    int8_t* int8;                                                                        \
    void* data;                                                                          \
  };                                                                                     \
  struct TfLiteTensor {                                                                  \
    TfLiteType type;                                                                     \
    TfLitePtrUnion data;                                                                 \
    size_t bytes;                                                                        \
  };

#ifdef STANDIN_TFLITE_MICRO
#define STANDIN_BEGIN namespace tflite { namespace micro {
#define STANDIN_END } }
STANDIN_BEGIN
STANDIN_C_NAMES
STANDIN_END
#else
#define STANDIN_BEGIN namespace tflite {
#define STANDIN_END }
STANDIN_C_NAMES
#endif

STANDIN_BEGIN

class MicroOpResolver {
 public:
  virtual ~MicroOpResolver() = default;
  virtual bool Exact() const = 0;  // as many operators as there is room for
};

STANDIN_END
