def load(path, model):
    """Returns what runs an .ncnn folder: a function of its input that returns its output."""
    import ncnn

    network = ncnn.Net()
    network.load_param(f"{path}/model.param")
    network.load_model(f"{path}/model.bin")

    def run(x):
        image, extractor = x[0].copy(), network.create_extractor()
        extractor.input(model["input"]["name"], ncnn.Mat(image).clone())  # ncnn keeps and changes its own copy
        return extractor.extract(model["output"]["name"])[1].numpy()

    return run
