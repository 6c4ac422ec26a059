import Foundation

/// The network of the resources: scores of images, and a test of itself.
final class Classifier {
    let model: Model
    private let engine: Engine

    init() async throws {
        model = try document("model.json")
        engine = try await Engine(model)
    }

    /// A score for each class.
    func scores(of file: Data) throws -> [Float] {
        let image = try Picture(file: file, upright: model.images.upright).seen(by: model.images)
        return scored(try engine.run(prepared(image)))
    }

    /// How far the scores of the test image are from those of the file where this was made; above 0.02 it has failed.
    func selfTest() throws -> Float {
        let expected: Expected = try document("expected.json")
        let found = try scores(of: Data(contentsOf: resource(expected.image)))
        return zip(expected.classes, expected.scores).map { abs(found[$0] - $1) }.max() ?? 0
    }

    /// The input's values, in its layout.
    private func prepared(_ image: Picture) -> [Float] {
        let (channels, pixels) = (image.channels, image.height * image.width)
        var made = [Float](repeating: 0, count: image.data.count)
        for pixel in 0..<pixels {
            for channel in 0..<channels {
                let source = model.images.bgr ? channels - 1 - channel : channel
                var value = Float(image.data[pixel * channels + source])
                if let mean = model.images.mean, let std = model.images.std {
                    value = (value / 255 - mean[channel]) / std[channel]
                }
                made[model.input.layout == "NHWC" ? pixel * channels + channel : channel * pixels + pixel] = value
            }
        }
        return made
    }

    private func scored(_ output: [Float]) -> [Float] {
        guard model.softmax, let most = output.max() else { return output }
        let raised = output.map { exp(Double($0 - most)) }
        let sum = raised.reduce(0, +)
        return raised.map { Float($0 / sum) }
    }
}
