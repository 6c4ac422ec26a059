"""For iPhones and iPads: an app package that Xcode opens, in Swift."""

from edgebench.deployment.target import Target

TARGET = Target(
    name="ios",
    engine="Engine.swift",
    assets="Classifier.swiftpm/Resources",
    sources="Classifier.swiftpm",
    run="open Classifier.swiftpm in Xcode, and run it on a phone",
)
