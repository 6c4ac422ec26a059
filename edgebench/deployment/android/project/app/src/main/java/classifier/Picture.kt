package classifier

import android.graphics.Bitmap
import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.cos
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.rint
import kotlin.math.sin

/** Rows of 8-bit values, a pixel's channels side by side; resized with the same numbers as Pillow. */
class Picture(val height: Int, val width: Int, val channels: Int) {
    val data = IntArray(height * width * channels)

    /** One channel of brightness: 0.299 red, 0.587 green, 0.114 blue. */
    fun grey(): Picture {
        val made = Picture(height, width, 1)
        for (pixel in made.data.indices) {
            val at = pixel * 3
            made.data[pixel] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) shr 16
        }
        return made
    }

    /** Resizes with antialiasing, first across and then down, rounding to 8 bits after each. */
    fun resized(toHeight: Int, toWidth: Int, filter: String): Picture {
        var wide = this
        if (toWidth != width) {
            wide = Picture(height, toWidth, channels)
            val windows = windows(width, toWidth, filter)
            for (row in 0 until height) for (c in 0 until channels) {
                along(windows, data, row * width * channels + c, wide.data, row * toWidth * channels + c, channels)
            }
        }
        if (toHeight == height) return wide
        val made = Picture(toHeight, toWidth, channels)
        val windows = windows(height, toHeight, filter)
        val line = toWidth * channels
        for (at in 0 until line) along(windows, wide.data, at, made.data, at, line)
        return made
    }

    /** The part of this whose upper left corner is at (top, left). */
    fun cropped(top: Int, left: Int, toHeight: Int, toWidth: Int): Picture {
        val made = Picture(toHeight, toWidth, channels)
        for (row in 0 until toHeight) {
            val from = ((top + row) * width + left) * channels
            data.copyInto(made.data, row * toWidth * channels, from, from + toWidth * channels)
        }
        return made
    }

    companion object {
        /** The colours of a bitmap. */
        fun of(bitmap: Bitmap): Picture {
            val pixels = IntArray(bitmap.width * bitmap.height)
            bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
            val made = Picture(bitmap.height, bitmap.width, 3)
            for ((at, colour) in pixels.withIndex()) for (c in 0 until 3) {
                made.data[at * 3 + c] = (colour shr (16 - 8 * c)) and 0xff
            }
            return made
        }
    }
}

/** What the network sees of an image. */
fun Model.seen(whole: Picture): Picture {
    val image = if (channels == 1) whole.grey() else whole
    var rows = coverHeight
    var columns = coverWidth
    if (!squash) { // keeps its shape, and just covers that size
        if (image.height.toLong() * columns <= image.width.toLong() * rows) {
            columns = max(columns, (rows.toDouble() * image.width / image.height).toInt())
        } else {
            rows = max(rows, (columns.toDouble() * image.height / image.width).toInt())
        }
    }
    val top = rint((rows - height) / 2.0).toInt()
    val left = rint((columns - width) / 2.0).toInt()
    return image.resized(rows, columns, interpolation).cropped(top, left, height, width)
}

private class Window(val first: Int, val weights: LongArray)

private const val ONE = 1L shl 22 // weights are whole numbers of this unit, as Pillow's are

private fun sinc(x: Double) = if (x == 0.0) 1.0 else sin(PI * x) / (PI * x)

private fun reach(filter: String) = when (filter) {
    "box" -> 0.5
    "bilinear", "hamming" -> 1.0
    "bicubic" -> 2.0
    "lanczos" -> 3.0
    else -> throw IllegalArgumentException("unknown interpolation $filter")
}

private fun weight(filter: String, signed: Double): Double {
    val x = abs(signed)
    return when (filter) {
        "box" -> if (signed > -0.5 && signed <= 0.5) 1.0 else 0.0
        "bilinear" -> max(0.0, 1 - x)
        "hamming" -> if (x < 1) sinc(x) * (0.54 + 0.46 * cos(PI * x)) else 0.0
        "bicubic" -> when {
            x < 1 -> (1.5 * x - 2.5) * x * x + 1
            x < 2 -> ((-0.5 * x + 2.5) * x - 4) * x + 2
            else -> 0.0
        }
        else -> if (x < 3) sinc(x) * sinc(x / 3) else 0.0
    }
}

/** For each of [to] places along a side of [from] pixels: where its window begins, and the weights of its pixels. */
private fun windows(from: Int, to: Int, filter: String): List<Window> {
    val scale = from.toDouble() / to
    val stretch = max(scale, 1.0)
    return List(to) { at ->
        val centre = (at + 0.5) * scale
        if (filter == "nearest") {
            Window(floor(centre).toInt(), longArrayOf(ONE))
        } else {
            val reach = reach(filter) * stretch
            val first = max(0, (centre - reach + 0.5).toInt())
            val last = min(from, (centre + reach + 0.5).toInt())
            val weights = DoubleArray(last - first) { weight(filter, (first + it - centre + 0.5) / stretch) }
            val sum = weights.sum().let { if (it == 0.0) 1.0 else it }
            Window(first, LongArray(weights.size) { (weights[it] / sum * ONE + if (weights[it] < 0) -0.5 else 0.5).toLong() })
        }
    }
}

private fun along(windows: List<Window>, from: IntArray, start: Int, to: IntArray, toStart: Int, step: Int) {
    for ((at, window) in windows.withIndex()) {
        var sum = ONE / 2
        for ((place, weight) in window.weights.withIndex()) sum += weight * from[start + (window.first + place) * step]
        to[toStart + at * step] = (sum shr 22).coerceIn(0, 255).toInt()
    }
}
