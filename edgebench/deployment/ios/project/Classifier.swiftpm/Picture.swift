import CoreGraphics
import Foundation
import ImageIO

/// Rows of 8-bit values, a pixel's channels side by side; resized with the same numbers as Pillow.
struct Picture {
    let height: Int
    let width: Int
    let channels: Int
    var data: [UInt8]

    init(height: Int, width: Int, channels: Int) {
        (self.height, self.width, self.channels) = (height, width, channels)
        data = [UInt8](repeating: 0, count: height * width * channels)
    }

    /// Decodes an image file, turned as its EXIF orientation says if `upright`.
    init(file: Data, upright: Bool) throws {
        guard let source = CGImageSourceCreateWithData(file as CFData, nil),
              let stored = CGImageSourceCreateImageAtIndex(source, 0, nil)
        else { throw Failure("this is not an image") }
        let largest = max(stored.width, stored.height)
        let turn: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true,
            kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: largest,
        ]
        let image = upright ? CGImageSourceCreateThumbnailAtIndex(source, 0, turn as CFDictionary) ?? stored : stored
        var rgba = [UInt8](repeating: 0, count: image.width * image.height * 4)
        // The image's own colours: a context of its colour space does not convert them.
        let space = image.colorSpace?.model == .rgb ? image.colorSpace! : CGColorSpaceCreateDeviceRGB()
        let drawn = rgba.withUnsafeMutableBytes { memory -> Bool in
            guard let context = CGContext(
                data: memory.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: image.width * 4, space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue
            ) else { return false }
            context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
            return true
        }
        guard drawn else { throw Failure("this image cannot be drawn") }
        self.init(height: image.height, width: image.width, channels: 3)
        for pixel in 0..<(height * width) {
            for channel in 0..<3 { data[pixel * 3 + channel] = rgba[pixel * 4 + channel] }
        }
    }

    /// One channel of brightness: 0.299 red, 0.587 green, 0.114 blue.
    func grey() -> Picture {
        var made = Picture(height: height, width: width, channels: 1)
        for pixel in made.data.indices {
            let (red, green, blue) = (Int(data[pixel * 3]), Int(data[pixel * 3 + 1]), Int(data[pixel * 3 + 2]))
            made.data[pixel] = UInt8((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)
        }
        return made
    }

    /// Resizes with antialiasing, first across and then down, rounding to 8 bits after each.
    func resized(height toHeight: Int, width toWidth: Int, filter: Filter) -> Picture {
        var wide = self
        if toWidth != width {
            wide = Picture(height: height, width: toWidth, channels: channels)
            let windows = filter.windows(from: width, to: toWidth)
            for row in 0..<height {
                for channel in 0..<channels {
                    let (from, to) = (row * width * channels + channel, row * toWidth * channels + channel)
                    Picture.along(windows, data, from, &wide.data, to, step: channels)
                }
            }
        }
        if toHeight == height { return wide }
        var made = Picture(height: toHeight, width: toWidth, channels: channels)
        let windows = filter.windows(from: height, to: toHeight)
        let line = toWidth * channels
        for at in 0..<line { Picture.along(windows, wide.data, at, &made.data, at, step: line) }
        return made
    }

    /// The part of this whose upper left corner is at (top, left).
    func cropped(top: Int, left: Int, height toHeight: Int, width toWidth: Int) -> Picture {
        var made = Picture(height: toHeight, width: toWidth, channels: channels)
        for row in 0..<toHeight {
            let from = ((top + row) * width + left) * channels
            let to = row * toWidth * channels
            made.data.replaceSubrange(to..<(to + toWidth * channels), with: data[from..<(from + toWidth * channels)])
        }
        return made
    }

    /// What the network sees of this image.
    func seen(by images: Images) throws -> Picture {
        let image = images.channels == 1 ? grey() : self
        var (rows, columns) = (images.cover[0], images.cover[1])
        if !images.squash {  // keeps its shape, and just covers that size
            if image.height * columns <= image.width * rows {
                columns = max(columns, Int(Double(rows) * Double(image.width) / Double(image.height)))
            } else {
                rows = max(rows, Int(Double(columns) * Double(image.height) / Double(image.width)))
            }
        }
        guard let filter = Filter(rawValue: images.interpolation) else {
            throw Failure("unknown interpolation \(images.interpolation)")
        }
        let (height, width) = (images.size[0], images.size[1])
        let top = Int((Double(rows - height) / 2).rounded(.toNearestOrEven))
        let left = Int((Double(columns - width) / 2).rounded(.toNearestOrEven))
        return image.resized(height: rows, width: columns, filter: filter)
            .cropped(top: top, left: left, height: height, width: width)
    }

    private static func along(
        _ windows: [Window], _ from: [UInt8], _ start: Int, _ to: inout [UInt8], _ toStart: Int, step: Int
    ) {
        for (at, window) in windows.enumerated() {
            var sum = Window.one / 2
            var source = start + window.first * step
            for weight in window.weights {
                sum += weight * Int(from[source])
                source += step
            }
            to[toStart + at * step] = UInt8(min(255, max(0, sum >> 22)))
        }
    }
}

/// The pixels that one pixel of the result is made of, from `first` on.
struct Window {
    static let one = 1 << 22  // weights are whole numbers of this unit, as Pillow's are
    let first: Int
    let weights: [Int]
}

/// Ways to resize.
enum Filter: String {
    case nearest, box, bilinear, hamming, bicubic, lanczos

    private var reach: Double {
        switch self {
        case .nearest, .box: return 0.5
        case .bilinear, .hamming: return 1
        case .bicubic: return 2
        case .lanczos: return 3
        }
    }

    private func weight(_ signed: Double) -> Double {
        let x = abs(signed)
        switch self {
        case .nearest, .box: return signed > -0.5 && signed <= 0.5 ? 1 : 0
        case .bilinear: return max(0, 1 - x)
        case .hamming: return x < 1 ? sinc(x) * (0.54 + 0.46 * cos(.pi * x)) : 0
        case .bicubic:
            if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
            return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
        case .lanczos: return x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }

    private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(.pi * x) / (.pi * x) }

    /// For each of `to` places along a side of `from` pixels: where its window begins, and the weights of its pixels.
    func windows(from: Int, to: Int) -> [Window] {
        let scale = Double(from) / Double(to)
        let stretch = max(scale, 1)
        return (0..<to).map { at in
            let centre = (Double(at) + 0.5) * scale
            if self == .nearest { return Window(first: Int(centre), weights: [Window.one]) }
            let first = max(0, Int(centre - reach * stretch + 0.5))
            let last = min(from, Int(centre + reach * stretch + 0.5))
            let weights = (first..<last).map { weight((Double($0) - centre + 0.5) / stretch) }
            let sum = weights.reduce(0, +)
            return Window(first: first, weights: weights.map {
                Int($0 / (sum == 0 ? 1 : sum) * Double(Window.one) + ($0 < 0 ? -0.5 : 0.5))
            })
        }
    }
}
