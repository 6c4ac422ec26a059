def load(path, model):
    """Returns what runs an .ncnn folder: a function of its input that returns its output."""
    import ncnn

    network = ncnn.Net()
    network.load_param(f"{path}/model.param")
    network.load_model(f"{path}/model.bin")

    def run(x):
        image, extractor = x[0].copy(), network.create_extractor()  # ncnn does not keep the input's memory alive
        extractor.input(model["input"]["name"], ncnn.Mat(image))
        return extractor.extract(model["output"]["name"])[1].numpy()

    return run
