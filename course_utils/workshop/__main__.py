import sys

from course_utils.workshop import book

sys.exit(book.main())
