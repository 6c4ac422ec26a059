// swift-tools-version: 5.9
import AppleProductTypes
import PackageDescription

let package = Package(
    name: "Classifier",
    platforms: [.iOS("16.0")],
    products: [
        .iOSApplication(
            name: "Classifier",
            targets: ["Classifier"],
            bundleIdentifier: "edgebench.classifier",
            displayVersion: "1.0",
            bundleVersion: "1",
            supportedDeviceFamilies: [.pad, .phone],
            supportedInterfaceOrientations: [.portrait, .landscapeLeft, .landscapeRight]
        )
    ],
    targets: [
        .executableTarget(name: "Classifier", path: ".", resources: [.copy("Resources")])
    ]
)
