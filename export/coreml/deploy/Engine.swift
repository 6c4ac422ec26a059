import CoreML
import CoreVideo
import Foundation

/// Runs the .mlpackage of the resources by Core ML, wherever the system sees fit.
final class Engine {
    private let model: Model
    private let network: MLModel

    init(_ model: Model) async throws {
        self.model = model
        network = try await MLModel.load(contentsOf: MLModel.compileModel(at: resource(model.file)))
    }

    /// The output for an input in the file's layout; of a file that takes images, its values from 0 to 255.
    func run(_ values: [Float]) throws -> [Float] {
        let takesImages = network.modelDescription.inputDescriptionsByName[model.input.name]?.type == .image
        let given = takesImages ? MLFeatureValue(pixelBuffer: try pixels(values)) : MLFeatureValue(multiArray: try array(values))
        let found = try network.prediction(from: MLDictionaryFeatureProvider(dictionary: [model.input.name: given]))
        guard let output = found.featureValue(for: model.output.name)?.multiArrayValue else {
            throw Failure("\(model.file) gave no \(model.output.name)")
        }
        return (0..<output.count).map { output[$0].floatValue }
    }

    private func array(_ values: [Float]) throws -> MLMultiArray {
        let shape = [1, model.images.channels, model.images.size[0], model.images.size[1]]
        let made = try MLMultiArray(shape: shape.map { NSNumber(value: $0) }, dataType: .float32)
        made.withUnsafeMutableBufferPointer(ofType: Float.self) { memory, _ in
            for (at, value) in values.enumerated() { memory[at] = value }
        }
        return made
    }

    /// Planes of values from 0 to 255, as a picture of the kind that Core ML takes.
    private func pixels(_ values: [Float]) throws -> CVPixelBuffer {
        let (height, width, channels) = (model.images.size[0], model.images.size[1], model.images.channels)
        let kind = channels == 1 ? kCVPixelFormatType_OneComponent8 : kCVPixelFormatType_32BGRA
        var buffer: CVPixelBuffer?
        CVPixelBufferCreate(nil, width, height, kind, nil, &buffer)
        guard let buffer else { throw Failure("there is no memory for an image of \(width) x \(height)") }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        let row = CVPixelBufferGetBytesPerRow(buffer)
        let memory = CVPixelBufferGetBaseAddress(buffer)!.assumingMemoryBound(to: UInt8.self)
        // Values are in the network's order; what Core ML is handed is blue, green, red, and it puts them in that order.
        let places = channels == 1 ? [0] : model.images.bgr ? [0, 1, 2] : [2, 1, 0]
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<channels {
                    let at = y * row + x * (channels == 1 ? 1 : 4) + places[channel]
                    memory[at] = UInt8(values[channel * height * width + y * width + x].rounded())
                }
            }
        }
        return buffer
    }
}
