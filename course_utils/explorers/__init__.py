"""The explorers that notebooks show: a scene, a drawing, and the sliders that move them."""
