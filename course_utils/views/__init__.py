"""How things look, move, ask and answer, whatever the subject."""
