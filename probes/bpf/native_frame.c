// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/* The signal-frame writer compiled natively, for the tests. */
#define GI_NATIVE_FRAME
#include "native.c"
