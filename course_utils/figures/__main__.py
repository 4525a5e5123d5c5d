import sys

from course_utils import gallery
from course_utils.figures import book

sys.exit(gallery.main() if "--html" in sys.argv else book.main())
