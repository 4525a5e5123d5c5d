"""Why small networks: bytes, memory and multiply-accumulates against real boards."""

NUMBER = "00"
