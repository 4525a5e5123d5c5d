# Builds for an Arm Cortex-M, and runs what was built in QEMU's model of an Arm MPS2 board:
#
#   cmake -B build/m4 -DTFLM=... -DCMAKE_TOOLCHAIN_FILE=cortex_m.cmake [-DCPU=cortex-m3]
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # a program would need cortex_m.ld
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CPU)

set(CPU cortex-m4 CACHE STRING "cortex-m3 (no floating-point unit), cortex-m4 or cortex-m7")
if(CPU STREQUAL "cortex-m3")
  set(MACHINE mps2-an385)
  set(FLOATS -mfloat-abi=soft)
elseif(CPU STREQUAL "cortex-m4")
  set(MACHINE mps2-an386)
  set(FLOATS "-mfloat-abi=hard -mfpu=fpv4-sp-d16")
elseif(CPU STREQUAL "cortex-m7")
  set(MACHINE mps2-an500)
  set(FLOATS "-mfloat-abi=hard -mfpu=fpv5-sp-d16")
else()
  message(FATAL_ERROR "CPU is '${CPU}': cortex-m3, cortex-m4 and cortex-m7 are known here.")
endif()
set(CMAKE_C_FLAGS_INIT "-mcpu=${CPU} -mthumb ${FLOATS}")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT}")
# rdimon: printf and exit through the debugger (semihosting), which QEMU plays.
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=rdimon.specs -nostartfiles -Wl,--gc-sections")

# One instruction takes a nanosecond of the emulated clock: the microseconds that the self-test
# prints are thousands of instructions.
find_program(QEMU_ARM qemu-system-arm)
if(QEMU_ARM)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${QEMU_ARM};-machine;${MACHINE};-icount;shift=0;-display;none;\
-monitor;none;-serial;none;-semihosting-config;enable=on,target=native;-kernel")
endif()
