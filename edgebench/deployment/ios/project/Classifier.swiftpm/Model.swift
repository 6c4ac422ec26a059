import Foundation

/// An input or an output; where there is a scale, a value is (stored - zeroPoint) * scale.
struct Tensor: Decodable {
    let name: String
    let type: String
    let layout: String
    let scale: Float?
    let zeroPoint: Int
}

/// How an image becomes the input.
struct Images: Decodable {
    let size: [Int]
    let cover: [Int]
    let channels: Int
    let interpolation: String
    let mean: [Float]?
    let std: [Float]?
    let squash: Bool
    let bgr: Bool
    let upright: Bool
}

/// What model.json says.
struct Model: Decodable {
    let title: String
    let file: String
    let input: Tensor
    let images: Images
    let output: Tensor
    let softmax: Bool
    let labels: [String]

    func label(_ number: Int) -> String { labels.indices.contains(number) ? labels[number] : "class \(number)" }
}

/// What the test image must give: classes, the best first, and their scores.
struct Expected: Decodable {
    let image: String
    let classes: [Int]
    let scores: [Float]
}

/// What is wrong, in a sentence.
struct Failure: LocalizedError {
    let errorDescription: String?
    init(_ sentence: String) { errorDescription = sentence }
}

/// The address of a file among the resources.
func resource(_ name: String) -> URL {
    Bundle.module.resourceURL!.appendingPathComponent("Resources").appendingPathComponent(name)
}

/// A document among the resources.
func document<Kind: Decodable>(_ name: String) throws -> Kind {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Kind.self, from: Data(contentsOf: resource(name)))
}
