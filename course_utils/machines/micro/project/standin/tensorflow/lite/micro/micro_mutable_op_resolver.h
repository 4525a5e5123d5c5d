// Stand-in, see README.md.
#pragma once

#include "tensorflow/lite/micro/micro_op_resolver.h"

STANDIN_BEGIN

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  bool Exact() const override { return count_ == tOpCount; }

#define STANDIN_ADD(name) \
  TfLiteStatus Add##name() { return Next(); }
  STANDIN_ADD(Add)
  STANDIN_ADD(AveragePool2D)
  STANDIN_ADD(Concatenation)
  STANDIN_ADD(Conv2D)
  STANDIN_ADD(DepthwiseConv2D)
  STANDIN_ADD(Dequantize)
  STANDIN_ADD(FullyConnected)
  STANDIN_ADD(MaxPool2D)
  STANDIN_ADD(Mean)
  STANDIN_ADD(Mul)
  STANDIN_ADD(Pad)
  STANDIN_ADD(Quantize)
  STANDIN_ADD(Relu)
  STANDIN_ADD(Relu6)
  STANDIN_ADD(Reshape)
  STANDIN_ADD(Softmax)
#undef STANDIN_ADD

 private:
  TfLiteStatus Next() { return count_++ < tOpCount ? kTfLiteOk : kTfLiteError; }

  unsigned int count_ = 0;
};

STANDIN_END
