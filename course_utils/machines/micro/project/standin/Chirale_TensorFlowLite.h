// Stand-in, see README.md. The real one has nothing but the license in it, and is how Arduino
// finds the library.
#pragma once
