# Puts LiteRT's library into engine/.
set -e
pip download --no-deps ai-edge-litert
unzip -o -j ai_edge_litert-*.whl ai_edge_litert/libLiteRt.so -d engine
