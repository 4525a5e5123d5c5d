import sys

from course_utils.figures.book import main

sys.exit(main())
