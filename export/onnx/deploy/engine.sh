# Puts onnxruntime's library into engine/, under the name that programs ask for.
set -e
pip download --no-deps 'onnxruntime>=1.25'
unzip -o -j onnxruntime-*.whl 'onnxruntime/capi/libonnxruntime.so.*' -d engine
mv engine/libonnxruntime.so.* engine/libonnxruntime.so.1
