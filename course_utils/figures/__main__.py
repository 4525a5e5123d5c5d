import sys

from course_utils.figures import book

sys.exit(book.main())
