import sys

from course_utils.figures.registry import main

sys.exit(main())
