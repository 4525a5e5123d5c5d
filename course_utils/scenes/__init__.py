"""What the pictures show: checkpoints, recorded results and floor 1, joined into drawing data.

A drawing takes data and does not compute; a notebook tells a story and does not plumb. The
functions here stand between them, one module for each subject, as in `course_utils.figures`.
Each returns one of the tuples that a drawing takes, or a number that a notebook puts beside the
lecture's.
"""
