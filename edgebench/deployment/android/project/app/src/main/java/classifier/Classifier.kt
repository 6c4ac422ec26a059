package classifier

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import java.io.ByteArrayInputStream
import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.rint

/** The network of the assets: scores of images, and a test of itself. */
class Classifier(context: Context) : AutoCloseable {
    private val assets = context.assets
    val model = Model(text("model.json"))
    private val engine = Engine(context, model)

    /** A score for each class. */
    fun scores(file: ByteArray): FloatArray {
        val image = model.seen(Picture.of(decoded(file)))
        return scored(engine.run(prepared(image)))
    }

    /** How far the scores of the test image are from those of the file where this was made; above 0.02 it has failed. */
    fun selfTest(): Float {
        val expected = Expected(text("expected.json"))
        val found = scores(assets.open(expected.image).use { it.readBytes() })
        return expected.classes.indices.maxOf { abs(found[expected.classes[it]] - expected.scores[it]) }
    }

    override fun close() = engine.close()

    private fun text(name: String) = assets.open(name).bufferedReader().use { it.readText() }

    private fun decoded(file: ByteArray): Bitmap {
        val options = BitmapFactory.Options().apply { inPremultiplied = false }
        val bitmap = BitmapFactory.decodeByteArray(file, 0, file.size, options)
            ?: throw IllegalArgumentException("this is not an image")
        if (!model.upright) return bitmap
        val orientation = ExifInterface(ByteArrayInputStream(file)).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1)
        val turn = Matrix().apply {
            if (orientation in listOf(2, 4, 5, 7)) postScale(-1f, 1f)
            postRotate(mapOf(3 to 180f, 4 to 180f, 5 to 270f, 6 to 90f, 7 to 90f, 8 to 270f)[orientation] ?: 0f)
        }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, turn, false)
    }

    private fun prepared(image: Picture): FloatArray {
        val pixels = image.height * image.width
        val made = FloatArray(image.data.size)
        for (pixel in 0 until pixels) for (c in 0 until image.channels) {
            val channel = if (model.bgr) image.channels - 1 - c else c
            var value = image.data[pixel * image.channels + channel].toFloat()
            model.mean?.let { value = (value / 255 - it[c]) / model.std!![c] }
            model.input.scale?.let { value = rint(value / it) + model.input.zero }
            made[if (model.input.channelsLast) pixel * image.channels + c else c * pixels + pixel] = value
        }
        return made
    }

    private fun scored(output: FloatArray): FloatArray {
        val values = FloatArray(output.size) { at ->
            model.output.scale?.let { (output[at] - model.output.zero) * it } ?: output[at]
        }
        if (!model.softmax) return values
        val most = values.max()
        val raised = DoubleArray(values.size) { exp((values[it] - most).toDouble()) }
        val sum = raised.sum()
        return FloatArray(values.size) { (raised[it] / sum).toFloat() }
    }
}
