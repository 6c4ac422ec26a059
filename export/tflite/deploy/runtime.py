def load(path, model):
    """Returns what runs a .tflite file: a function of its input that returns its output."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_path=path)
    network.allocate_tensors()
    taken, given = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]

    def run(x):
        network.set_tensor(taken, x)
        network.invoke()
        return network.get_tensor(given)

    return run
