package classifier

import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Bundle
import android.os.SystemClock
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import java.util.concurrent.Executors

/** Shows an image and its five best labels. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val choose = registerForActivityResult(ActivityResultContracts.GetContent()) { it?.let(::show) }
    private lateinit var classifier: Classifier
    private lateinit var picture: ImageView
    private lateinit var answer: TextView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        picture = ImageView(this).apply { adjustViewBounds = true }
        answer = TextView(this).apply { textSize = 16f }
        val button = Button(this).apply {
            setText(R.string.choose)
            setOnClickListener { choose.launch("image/*") }
        }
        val column = LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            setPadding(48, 96, 48, 48)
            for (each in listOf(button, picture, answer)) addView(each)
        }
        setContentView(ScrollView(this).apply { addView(column) })
        work {
            classifier = Classifier(this)
            val error = classifier.selfTest()
            "${classifier.model.title}\nself-test ${if (error < 0.02f) "passed" else "FAILED"}: scores differ by $error"
        }
    }

    override fun onDestroy() {
        worker.execute { if (::classifier.isInitialized) classifier.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun show(uri: Uri) {
        val file = contentResolver.openInputStream(uri)?.use { it.readBytes() } ?: return
        picture.setImageBitmap(BitmapFactory.decodeByteArray(file, 0, file.size))
        work {
            val began = SystemClock.elapsedRealtimeNanos()
            val scores = classifier.scores(file)
            val milliseconds = (SystemClock.elapsedRealtimeNanos() - began) / 1e6
            val best = scores.indices.sortedByDescending { scores[it] }.take(5)
            best.joinToString("\n") { "%5.1f%%  %s".format(100 * scores[it], classifier.model.label(it)) } +
                "\n%.0f ms with the preparation of the image".format(milliseconds)
        }
    }

    /** Shows what comes of something that takes a while. */
    private fun work(doing: () -> String) = worker.execute {
        val said = runCatching(doing).getOrElse { it.toString() }
        runOnUiThread { answer.text = said }
    }
}
