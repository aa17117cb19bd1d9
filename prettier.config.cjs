// The XML plugin is looked up where `make lint` installs it, then as usual.
const path = require("path");

const xmlPlugin = require.resolve("@prettier/plugin-xml", {
    paths: [path.join(__dirname, ".local", "node"), __dirname],
});

module.exports = {
    plugins: [xmlPlugin],
    bracketSpacing: false,
    printWidth: 88,
    proseWrap: "preserve",
    semi: true,
    trailingComma: "es5",
    xmlWhitespaceSensitivity: "preserve",
};
