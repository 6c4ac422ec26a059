def load(path, model):
    """Returns what runs an .onnx file: a function of its input that returns its output."""
    import onnxruntime

    network = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: network.run([model["output"]["name"]], {model["input"]["name"]: x})[0]
