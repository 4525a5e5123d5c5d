"""The patches of an image that a kernel slides over."""

from __future__ import annotations

import numpy as np


class Window:
    """How a kernel moves over the image: which inputs each output position sees."""

    def __init__(self, checked, x, y, kernel, channels):
        get = checked.options.get
        self.kernel = kernel
        self.stride = get("stride_h"), get("stride_w")
        self.dilation = get("dilation_h", 1), get("dilation_w", 1)
        sizes = (*self.kernel, *self.stride, *self.dilation)
        checked.require(min(sizes) >= 1, f"has a kernel, stride or dilation below one: {sizes}")
        self.out, self.padding = [], []
        for axis, size in enumerate(x.shape[1:3]):
            k, s, d = self.kernel[axis], self.stride[axis], self.dilation[axis]
            reach = (k - 1) * d + 1
            if checked.options["padding"] == "SAME":
                out = -(-size // s)
                total = max((out - 1) * s + reach - size, 0)
            else:
                out, total = (size - reach) // s + 1, 0
            self.out.append(out)
            self.padding.append((total // 2, total - total // 2))
        checked.shape_is(y, (1, *self.out, channels))
        checked.require(y.size > 0 and x.size > 0, "has an empty input or output")
        (top, bottom), (left, right) = self.padding
        # The image's rows and columns with the border, which a file can make as wide as it likes.
        self.padded = x.shape[1] + top + bottom, x.shape[2] + left + right

    def pad(self, q, fill, dtype):
        """Return q in dtype with the border filled; a border of the zero point adds nothing."""
        (top, bottom), (left, right) = self.padding
        if not (top or bottom or left or right):
            return q.astype(dtype)
        n, height, width, channels = q.shape
        padded = np.full((n, top + height + bottom, left + width + right, channels), fill, dtype)
        padded[:, top : top + height, left : left + width] = q
        return padded

    def taps(self, padded):
        """Yield for each kernel position, row by row, the value that each output sees there."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        for i in range(0, kh * dh, dh):
            for j in range(0, kw * dw, dw):
                yield padded[:, i : i + sh * (oh - 1) + 1 : sh, j : j + sw * (ow - 1) + 1 : sw]

    def tap_rows(self, padded):
        """Yield the taps as arrays (n, out height, out width * channels) of contiguous rows."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        n, height, _, channels = padded.shape
        # With a stride, the columns 0, s, 2s, ... become neighbours, then 1, s + 1, ...
        phases = [padded[:, :, p::sw].reshape(n, height, -1) for p in range(min(sw, kw * dw))]
        for i in range(0, kh * dh, dh):
            for j in range(0, kw * dw, dw):
                start = j // sw * channels
                row = phases[j % sw][:, i : i + sh * (oh - 1) + 1 : sh]
                yield row[:, :, start : start + ow * channels]

    def patches(self, padded):
        """Return what each output sees as rows of a matrix ("im2col"): (n, oh, ow, K)."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        n, _, _, channels = padded.shape
        if dw == 1 and channels > 1:  # kw neighbours at a time
            result = np.empty((n, oh, ow, kh, kw * channels), padded.dtype)
            along = np.lib.stride_tricks.sliding_window_view(
                padded.reshape(n, padded.shape[1], -1), kw * channels, axis=2
            )[:, :, : sw * channels * (ow - 1) + 1 : sw * channels]
            for i in range(kh):
                result[:, :, :, i] = along[:, i * dh : i * dh + sh * (oh - 1) + 1 : sh]
        else:
            result = np.empty((n, oh, ow, kh * kw, channels), padded.dtype)
            for i, tap in enumerate(self.taps(padded)):
                result[:, :, :, i] = tap
        return result

    def reduce(self, padded, combine):
        """Combine each window's values (maximum, add): along the columns, then along the rows."""
        (kh, kw), (sh, sw), (oh, ow) = self.kernel, self.stride, self.out
        for axis, k, s, out in ((1, kh, sh, oh), (2, kw, sw, ow)):
            before = (slice(None),) * axis
            taps = (padded[(*before, slice(i, i + s * (out - 1) + 1, s))] for i in range(k))
            combined = next(taps).copy()
            for tap in taps:
                combine(combined, tap, out=combined)
            padded = combined
        return padded
