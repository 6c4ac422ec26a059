import PhotosUI
import SwiftUI

@main
struct ClassifierApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}

/// Shows an image and its five best labels.
struct ContentView: View {
    @State private var classifier: Classifier?
    @State private var chosen: PhotosPickerItem?
    @State private var picture: UIImage?
    @State private var said = "Loading."

    var body: some View {
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                PhotosPicker("Choose an image", selection: $chosen, matching: .images)
                    .buttonStyle(.borderedProminent)
                if let picture {
                    Image(uiImage: picture).resizable().scaledToFit()
                }
                Text(said).monospacedDigit()
            }
            .padding()
            .frame(maxWidth: .infinity, alignment: .leading)
        }
        .task { await attempt(start) }
        .onChange(of: chosen) { _ in Task { await attempt(show) } }
    }

    private func start() async throws {
        let made = try await Classifier()
        let error = try made.selfTest()
        classifier = made
        said = "\(made.model.title)\nself-test \(error < 0.02 ? "passed" : "FAILED"): scores differ by \(error)"
    }

    private func show() async throws {
        guard let classifier, let data = try await chosen?.loadTransferable(type: Data.self) else { return }
        picture = UIImage(data: data)
        let began = ContinuousClock.now
        let scores = try classifier.scores(of: data)
        let took = ContinuousClock.now - began
        let best = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(5)
        let lines = best.map { String(format: "%5.1f%%  %@", 100 * scores[$0], classifier.model.label($0)) }
        said = lines.joined(separator: "\n") + "\n\(took.formatted(.units(allowed: [.milliseconds]))) with the preparation of the image"
    }

    private func attempt(_ doing: () async throws -> Void) async {
        do { try await doing() } catch { said = error.localizedDescription }
    }
}
