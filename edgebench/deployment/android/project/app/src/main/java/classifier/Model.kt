package classifier

import org.json.JSONArray
import org.json.JSONObject

/** An input or an output; where there is a scale, a value is (stored - zero) * scale. */
class Tensor(told: JSONObject) {
    val type: String = told.getString("type")
    val channelsLast = told.getString("layout") == "NHWC"
    val scale: Float? = if (told.isNull("scale")) null else told.getDouble("scale").toFloat()
    val zero: Int = told.getInt("zero_point")
}

/** What model.json says: how an image becomes the input, and what the output is. */
class Model(text: String) {
    private val told = JSONObject(text)
    private val images = told.getJSONObject("images")

    val title: String = told.getString("title")
    val file: String = told.getString("file")
    val input = Tensor(told.getJSONObject("input"))
    val output = Tensor(told.getJSONObject("output"))
    val softmax = told.getBoolean("softmax")
    val labels: List<String> = told.getJSONArray("labels").let { all -> List(all.length()) { all.getString(it) } }

    val height: Int = images.getJSONArray("size").getInt(0)
    val width: Int = images.getJSONArray("size").getInt(1)
    val coverHeight: Int = images.getJSONArray("cover").getInt(0)
    val coverWidth: Int = images.getJSONArray("cover").getInt(1)
    val channels: Int = images.getInt("channels")
    val interpolation: String = images.getString("interpolation")
    val mean: FloatArray? = images.optJSONArray("mean")?.floats()
    val std: FloatArray? = images.optJSONArray("std")?.floats()
    val squash = images.getBoolean("squash")
    val bgr = images.getBoolean("bgr")
    val upright = images.getBoolean("upright")

    fun label(number: Int): String = labels.getOrElse(number) { "class $it" }
}

/** What the test image must give: classes, the best first, and their scores. */
class Expected(text: String) {
    private val told = JSONObject(text)
    val image: String = told.getString("image")
    val classes: List<Int> = told.getJSONArray("classes").let { all -> List(all.length()) { all.getInt(it) } }
    val scores: FloatArray = told.getJSONArray("scores").floats()
}

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }
