"""How a mask's bits are written, one file per encoding: bool arrays [out, in] by matrix name, and a note on them."""
