"""Takes nothing, leaves forty names that programs give themselves when they open a link before its reader does.

Previews of messengers and networks, what mail is looked through with, search engines, monitors, libraries; the last
ones call themselves browsers, as some scanners do, but for a word.
"""

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)

AGENTS = (
    "Twitterbot/1.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "WhatsApp/2.24.23.78 A",
    "TelegramBot (like TwitterBot)",
    "Viber/13.5.0.3",
    "SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
    "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
    "Iframely/1.3.1 (+https://iframely.com/docs/about)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; Barracuda Sentinel; +https://www.barracuda.com)",
    "BarracudaCentral/1.0",
    "Mozilla/5.0 (compatible; Mimecast URL Protection)",
    "Mozilla/5.0 (Windows NT 10.0) Proofpoint URL Defense",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks Detonation",
    "Forcepoint/8.5 URL analysis",
    "Symantec Email Security.cloud link following",
    "Trendmicro-WRS/1.0",
    "VirusTotal cloud (gzip)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) (Applebot/0.1)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "curl/8.11.0",
    "Wget/1.24.5",
    "python-requests/2.32.3",
    "python-httpx/0.28.1",
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "axios/1.7.9",
    CHROME.replace("Chrome/", "HeadlessChrome/"),
    f"{CHROME} Google-Safety",
    f"{CHROME} zscaler",
)
