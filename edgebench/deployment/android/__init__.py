"""For Android: a project that Android Studio opens, in Kotlin."""

from edgebench.deployment.target import Target

TARGET = Target(
    name="android",
    engine="Engine.kt",
    assets="app/src/main/assets",
    sources="app/src/main/java/classifier",
    run="open the folder in Android Studio, and run it on a phone",
)
