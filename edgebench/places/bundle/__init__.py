"""The files that run the engines on another machine: Debian's libraries, Python and the wheels."""
