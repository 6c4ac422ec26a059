package classifier

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/** Runs the .tflite file of the assets by LiteRT, on the processor. */
class Engine(context: Context, private val model: Model) : AutoCloseable {
    private val network = CompiledModel.create(context.assets, model.file, CompiledModel.Options(Accelerator.CPU))
    private val inputs = network.createInputBuffers()
    private val outputs = network.createOutputBuffers()

    /** The output for an input, whole numbers where the file's are. */
    fun run(values: FloatArray): FloatArray {
        when (model.input.type) {
            "int8" -> inputs[0].writeInt8(ByteArray(values.size) { values[it].toInt().coerceIn(-128, 127).toByte() })
            "uint8" -> inputs[0].writeInt8(ByteArray(values.size) { values[it].toInt().coerceIn(0, 255).toByte() })
            else -> inputs[0].writeFloat(values)
        }
        network.run(inputs, outputs)
        return when (model.output.type) {
            "int8" -> outputs[0].readInt8().let { found -> FloatArray(found.size) { found[it].toFloat() } }
            "uint8" -> outputs[0].readInt8().let { found -> FloatArray(found.size) { (found[it].toInt() and 0xff).toFloat() } }
            else -> outputs[0].readFloat()
        }
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        network.close()
    }
}
