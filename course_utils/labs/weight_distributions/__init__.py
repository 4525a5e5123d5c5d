"""How trained weights are distributed, layer by layer."""

NUMBER = "01"
