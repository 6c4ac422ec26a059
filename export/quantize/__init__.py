"""How networks become int8: calibration images, ranges of activations, and the choices that measurement decides."""
